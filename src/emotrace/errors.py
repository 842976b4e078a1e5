"""The errors that a user can cause; each message says what, which file, and what to do."""


class EmotraceError(Exception):
    """Base of every error that this package raises on purpose; its text is one line for a person."""


class AudioError(EmotraceError):
    """The audio cannot be read, or holds samples that no trace can be computed from."""


class AudioFormatError(AudioError):
    """What was given is no kind of audio that can be decoded here."""


class TraceError(EmotraceError):
    """A trace, or a file of one, is malformed."""


class UnratedError(TraceError):
    """Ratings without a single value: nobody rated this recording, which is not to say that its file is malformed."""


class CorpusError(EmotraceError):
    """A corpus on disk is not laid out as its reader expects."""


class SoundlessError(CorpusError):
    """What listens has nothing to listen to: the corpus distributes no sound."""


class ModelError(EmotraceError):
    """A saved model is missing, damaged or of another kind."""


class ConfigError(EmotraceError):
    """A configuration names an unknown key or an impossible value."""
