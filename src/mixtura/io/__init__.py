"""Files that are written whole, model files, and fits as other libraries take them."""
