"""Is it right, and how fast: gold questions, published benchmarks, metrics and reports."""
