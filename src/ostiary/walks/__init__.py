"""The two walks, each readable top to bottom. They know every room and decide nothing."""
