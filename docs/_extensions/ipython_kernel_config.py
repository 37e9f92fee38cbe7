"""Settings of the kernels that run the pages: small pictures, and no warning unseen."""

c = get_config()  # noqa: F821  # IPython's own
c.InlineBackend.figure_formats = {"png"}
c.InlineBackend.rc = {"figure.dpi": 80}
c.InlineBackend.print_figure_kwargs = {"bbox_inches": None}
c.IPKernelApp.matplotlib = "inline"
c.HistoryManager.enabled = False
# Kernels talk over this machine's own address; they would warn that they do.
c.IPKernelApp.log_level = 40
