"""From a folder, a file or a hub id to a loaded model, and what a file says about itself."""
