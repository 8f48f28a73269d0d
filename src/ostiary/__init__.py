"""The doorkeeper for MLX models. Importing this imports neither MLX nor any room that needs it."""
