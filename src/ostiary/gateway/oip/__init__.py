"""The Open Inference Protocol, version 2, for functions: over REST with binary data, and over gRPC."""
