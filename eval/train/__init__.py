"""What the default reader is trained with. Run it: ``python -m eval.train``."""
