package app.likeness.storage

import java.io.File
import java.io.FileOutputStream
import java.io.IOException
import java.io.OutputStream

/** The storage has no room for what was to be written; nothing of it was left behind. */
class StorageFullException(message: String, cause: Throwable? = null) : IOException(message, cause)

/** Renames; java.io does not say why it could not, nor can it flush a folder. */
fun interface Renamer {
    /** Makes [from] [to] in one step, what was there is replaced, and flushes the folder. Throws [IOException]. */
    fun rename(from: File, to: File)
}

/**
 * Writes so that whoever reads, now or after a kill at any instant, finds the old file or the new one, whole.
 *
 * All functions block; call them off the main thread. They throw [StorageFullException] where the storage is full and
 * another [IOException] where it cannot be written.
 */
open class Disk(private val renamer: Renamer) {
    /** Bytes that this app may still write to the storage that holds [folder]. */
    open fun freeBytes(folder: File): Long = folder.usableSpace

    /** A stream to [file]; tests make one that fails. */
    protected open fun stream(file: FileOutputStream): OutputStream = file

    /** Replaces [file] by what [content] writes: aside, flushed, renamed. Its folders are made. */
    fun write(file: File, content: (OutputStream) -> Unit) {
        val folder = file.parentFile
        makeFolder(folder)
        val aside = File(folder, file.name + ASIDE)
        try {
            FileOutputStream(aside).use { raw ->
                val buffered = stream(raw).buffered(BUFFER_BYTES)
                content(buffered)
                buffered.flush()
                raw.fd.sync()
            }
            rename(aside, file)
        } catch (error: IOException) {
            aside.delete()
            throw named(error)
        }
    }

    fun write(file: File, bytes: ByteArray) = write(file) { it.write(bytes) }

    /** Moves a file or a folder within this storage, in one step; what was at [to] is replaced. */
    fun rename(from: File, to: File) = renamer.rename(from, to)

    fun makeFolder(folder: File) {
        if (!folder.isDirectory && !folder.mkdirs() && !folder.isDirectory) {
            throw IOException("Cannot make the folder ${folder.name}.")
        }
    }

    /** Throws [StorageFullException] unless [bytes] more fit. */
    fun needRoom(folder: File, bytes: Long) {
        val free = freeBytes(folder)
        if (free < bytes) {
            throw StorageFullException("${megabytes(bytes)} MB are needed, ${megabytes(free)} MB are free.")
        }
    }

    private fun named(error: IOException): IOException = when {
        error is StorageFullException -> error
        NO_SPACE.any { it in error.message.orEmpty() } -> StorageFullException("The storage is full.", error)
        else -> error
    }

    companion object {
        /** Ends the name of a file that is not whole yet. */
        const val ASIDE = ".part"
        private const val BUFFER_BYTES = 64 * 1024
        private val NO_SPACE = listOf("ENOSPC", "EDQUOT", "No space left", "Disk quota exceeded")

        private fun megabytes(bytes: Long) = (bytes + 999_999) / 1_000_000
    }
}
