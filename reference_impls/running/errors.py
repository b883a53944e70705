"""What may go wrong with processes; apart from them, to be known without loading what runs them."""


class ProcessDiedError(Exception):
    """Processes could not be started, or one ended before its work was done; in one line."""
