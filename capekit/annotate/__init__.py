"""The page on which a person labels five images, has the rest labelled, and corrects the worst."""
