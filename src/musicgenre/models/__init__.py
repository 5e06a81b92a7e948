"""Model families: search space, build, fit, predict, export."""
