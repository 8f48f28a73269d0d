"""OpenAI's interface: chat completions, completions, responses and embeddings."""
