"""The native engine: C++ that is compiled when the package is built."""
