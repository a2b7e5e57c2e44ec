"""Pure renderers: facts in, Block Kit out."""
