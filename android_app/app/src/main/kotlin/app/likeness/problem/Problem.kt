package app.likeness.problem

import app.likeness.runtime.BadPhotoException
import app.likeness.runtime.BusyException
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.DiskFullException
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.NotFiniteException
import app.likeness.runtime.OutOfMemoryException
import app.likeness.runtime.StorageException
import app.likeness.runtime.UnsupportedVersionException
import app.likeness.runtime.WrongModelException
import app.likeness.storage.NotAnAdapterException
import app.likeness.storage.StorageFullException
import app.likeness.storage.WordsTakenException
import java.io.IOException

/** What went wrong, as far as it makes a difference to what a person can do about it. */
enum class ProblemKind {
    STORAGE_FULL,
    STORAGE_FAILED,
    OUT_OF_MEMORY,
    BAD_PHOTO,
    DAMAGED_FILE,
    OTHER_VERSION,
    OTHER_MODEL,
    NOT_AN_ADAPTER,
    WORDS_TAKEN,
    BUSY,
    DIVERGED,
    REFUSED,
    INTERNAL,
}

/** [detail] is the core's or the system's own message, in English; screens say what to do in the person's language. */
data class Problem(val kind: ProblemKind, val detail: String)

/** Which problem [error] is. Cancellation is none: let it pass before asking. */
fun problemOf(error: Throwable): Problem = Problem(kindOf(error), error.message.orEmpty())

private fun kindOf(error: Throwable): ProblemKind = when (error) {
    is DiskFullException, is StorageFullException -> ProblemKind.STORAGE_FULL
    is OutOfMemoryException, is OutOfMemoryError -> ProblemKind.OUT_OF_MEMORY
    is BadPhotoException -> ProblemKind.BAD_PHOTO
    is CorruptFileException -> ProblemKind.DAMAGED_FILE
    is UnsupportedVersionException -> ProblemKind.OTHER_VERSION
    is WrongModelException -> ProblemKind.OTHER_MODEL
    is NotAnAdapterException -> ProblemKind.NOT_AN_ADAPTER
    is WordsTakenException -> ProblemKind.WORDS_TAKEN
    is BusyException -> ProblemKind.BUSY
    is NotFiniteException -> ProblemKind.DIVERGED
    is InvalidArgumentException -> ProblemKind.REFUSED
    is StorageException, is IOException -> ProblemKind.STORAGE_FAILED
    else -> ProblemKind.INTERNAL
}
