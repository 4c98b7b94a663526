"""How fast, next to the pipeline anyone would write first. Run it: ``python -m eval.speed``."""
