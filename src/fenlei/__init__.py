"""fenlei (分类): a pretrained encoder and a table of labelled texts become a classifier you can trust."""

__version__ = "0.1.0"
