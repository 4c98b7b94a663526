"""The default encoder: its files, their description, and the script that makes them again."""
