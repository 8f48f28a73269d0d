"""Many graphs in one real worker behind the wall: `worker` is what it runs, `host` speaks with it."""
