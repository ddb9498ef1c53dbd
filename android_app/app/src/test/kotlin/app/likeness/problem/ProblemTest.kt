package app.likeness.problem

import app.likeness.runtime.BadPhotoException
import app.likeness.runtime.BusyException
import app.likeness.runtime.CorruptFileException
import app.likeness.runtime.DiskFullException
import app.likeness.runtime.InternalException
import app.likeness.runtime.InvalidArgumentException
import app.likeness.runtime.NotFiniteException
import app.likeness.runtime.OutOfMemoryException
import app.likeness.runtime.StorageException
import app.likeness.runtime.UnsupportedVersionException
import app.likeness.runtime.WorkCancelledException
import app.likeness.runtime.WrongModelException
import app.likeness.storage.NotAnAdapterException
import app.likeness.storage.StorageFullException
import app.likeness.storage.WordsTakenException
import java.io.IOException
import kotlin.test.Test
import kotlin.test.assertEquals

class ProblemTest {
    @Test
    fun everyErrorIsAProblemOfItsKind() {
        val table = mapOf(
            InvalidArgumentException("m") to ProblemKind.REFUSED,
            StorageException("m") to ProblemKind.STORAGE_FAILED,
            CorruptFileException("m") to ProblemKind.DAMAGED_FILE,
            UnsupportedVersionException("m") to ProblemKind.OTHER_VERSION,
            WrongModelException("m") to ProblemKind.OTHER_MODEL,
            OutOfMemoryException("m") to ProblemKind.OUT_OF_MEMORY,
            OutOfMemoryError("m") to ProblemKind.OUT_OF_MEMORY,
            WorkCancelledException("m") to ProblemKind.INTERNAL,
            BusyException("m") to ProblemKind.BUSY,
            NotFiniteException("m") to ProblemKind.DIVERGED,
            DiskFullException("m") to ProblemKind.STORAGE_FULL,
            InternalException("m") to ProblemKind.INTERNAL,
            BadPhotoException("m") to ProblemKind.BAD_PHOTO,
            StorageFullException("m") to ProblemKind.STORAGE_FULL,
            NotAnAdapterException("m") to ProblemKind.NOT_AN_ADAPTER,
            IOException("m") to ProblemKind.STORAGE_FAILED,
            IllegalStateException("m") to ProblemKind.INTERNAL,
        )
        table.forEach { (error, kind) -> assertEquals(Problem(kind, "m"), problemOf(error)) }
        assertEquals(ProblemKind.WORDS_TAKEN, problemOf(WordsTakenException(listOf("<rex>"))).kind)
        assertEquals("", problemOf(RuntimeException()).detail)
    }
}
