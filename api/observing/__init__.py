"""Records requests and tells logs, metrics and traces of them."""
