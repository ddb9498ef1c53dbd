package app.likeness.runtime

/**
 * A call of the core failed. The message, for people, says what is wrong and what to do.
 *
 * One subclass a status of lk_status; Python's and Swift's wrappers have the same.
 */
sealed class LikenessException(message: String) : Exception(message)

/** A setting or an argument is not one the core can work with. */
class InvalidArgumentException(message: String) : LikenessException(message)

/** A file or folder cannot be read or written. */
class StorageException(message: String) : LikenessException(message)

/** A file is damaged, or is not what it should be. */
class CorruptFileException(message: String) : LikenessException(message)

/** A file is of a newer or an older format. */
class UnsupportedVersionException(message: String) : LikenessException(message)

/** An adapter or a journal belongs to another base model; the message names both. */
class WrongModelException(message: String) : LikenessException(message)

/** There is not enough memory. Not to be confused with Java's OutOfMemoryError: the process is well. */
class OutOfMemoryException(message: String) : LikenessException(message)

/** Somebody asked to stop. A session has written a checkpoint and can be run again. */
class WorkCancelledException(message: String) : LikenessException(message)

/** A session is in use on another thread, or another session has its journal. */
class BusyException(message: String) : LikenessException(message)

/** Training diverged, or a file holds a value that is not a finite number. */
class NotFiniteException(message: String) : LikenessException(message)

/** No space left. The last checkpoint is whole; free some and run the session again. */
class DiskFullException(message: String) : LikenessException(message)

/** A mistake in the core or in this library. */
class InternalException(message: String) : LikenessException(message)

/** A picture cannot be used as a photo; the message says why. */
class BadPhotoException(message: String) : LikenessException(message)

/** The exception of a status of lk_status other than LK_OK; the numbers are include/likeness.h's. */
internal fun errorFor(status: Int, message: String): LikenessException = when (status) {
    1 -> InvalidArgumentException(message)
    2 -> StorageException(message)
    3 -> CorruptFileException(message)
    4 -> UnsupportedVersionException(message)
    5 -> WrongModelException(message)
    6 -> OutOfMemoryException(message)
    7 -> WorkCancelledException(message)
    8 -> BusyException(message)
    9 -> NotFiniteException(message)
    10 -> DiskFullException(message)
    12 -> BadPhotoException(message)
    else -> InternalException(message)
}
