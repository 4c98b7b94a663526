"""A file becomes passages that can be searched. This package never hears of questions."""
