"""The HTTP service: limits before cost, one answer shape, one error shape, a page."""
