"""Python interface: runs in a child process, and studies that are opened from their files."""
