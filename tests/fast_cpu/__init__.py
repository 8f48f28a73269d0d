"""What changes MLX for a whole process, so that it is tried in processes of its own."""
