"""An L1 penalty in the loss makes weights small, and no weight zero."""
