package app.likeness.platform

import android.system.ErrnoException
import android.system.Os
import android.system.OsConstants
import app.likeness.storage.Renamer
import java.io.File
import java.io.IOException

/** rename(2), then fsync(2) of the folder: a rename is kept through a power cut only then. */
object PosixRenamer : Renamer {
    override fun rename(from: File, to: File) = try {
        Os.rename(from.path, to.path)
        flush(to.parentFile)
    } catch (error: ErrnoException) {
        throw IOException(error.message, error)
    }

    private fun flush(folder: File) {
        val descriptor = Os.open(folder.path, OsConstants.O_RDONLY, 0)
        try {
            Os.fsync(descriptor)
        } finally {
            Os.close(descriptor)
        }
    }
}
