"""Language models: read from their module tree, pretrained, fetched, measured."""
