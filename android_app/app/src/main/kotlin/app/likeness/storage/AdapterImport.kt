package app.likeness.storage

import app.likeness.runtime.AdapterInfo
import app.likeness.runtime.Studio
import java.io.File
import java.io.IOException
import java.io.InputStream
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** A file was chosen that cannot be an adapter, or is larger than one can be. */
class NotAnAdapterException(message: String) : IOException(message)

/** A subject of this name's words is here already. */
class WordsTakenException(val tokens: List<String>) : IOException("${tokens.joinToString(" ")} is taught already.")

/**
 * Takes in an adapter file from anyone. It is copied under a limit, looked at from outside, then opened by the core,
 * which checks all of it against the model; only then does it become a subject. Nothing stays of a file that is
 * refused.
 */
class AdapterImport(
    private val layout: StorageLayout,
    private val disk: Disk,
    private val trash: Trash,
    private val subjects: SubjectStore,
    private val now: () -> Long,
    private val maxBytes: Long = MAX_BYTES,
) {
    /** Blocks. Throws what [Studio.loadAdapter] throws, [NotAnAdapterException], [WordsTakenException], IOException. */
    fun import(studio: Studio, stream: InputStream, shownName: String): Subject {
        val id = newId()
        val folder = File(layout.incoming, id)
        try {
            val file = SubjectFiles(folder).adapter
            copy(stream, file)
            checkOutside(file)
            val subject = describe(studio.loadAdapter(file).use { it.info }, id, shownName)
            subjects.adopt(subject, folder)
            return subject
        } finally {
            trash.delete(folder)
        }
    }

    private fun copy(stream: InputStream, file: File) = disk.write(file) { out ->
        stream.copyAtMost(maxBytes, out, beforeEach = { disk.needRoom(layout.root, RESERVE_BYTES) }) {
            NotAnAdapterException("The file is larger than an adapter can be.")
        }
    }

    /** safetensors: eight bytes with the header's length, then the header, a JSON object. */
    private fun checkOutside(file: File) = file.inputStream().use { stream ->
        val start = ByteArray(9)
        val read = stream.read(start)
        val length = ByteBuffer.wrap(start).order(ByteOrder.LITTLE_ENDIAN).long
        if (read < start.size || length !in 2..MAX_HEADER_BYTES || length + 8 > file.length() ||
            start[8] != '{'.code.toByte()
        ) {
            throw NotAnAdapterException("The file is no adapter.")
        }
    }

    private fun describe(info: AdapterInfo, id: String, shownName: String): Subject {
        val tokens = info.tokens
        if (tokens.isEmpty() || !tokens.all(::canBeInPrompt)) {
            throw NotAnAdapterException("The file's words for the subject cannot be used in a prompt.")
        }
        val taken = tokens.filter { it.lowercase() in subjects.takenTokens() }
        if (taken.isNotEmpty()) throw WordsTakenException(taken)
        val className = Names.clean(info.className, Names.MAX_CLASS)
        val name = Names.clean(shownName.substringBeforeLast(".safetensors")).ifEmpty { tokens.first() }
        return Subject(id, name, className, tokens, SubjectState.READY, now())
    }

    private fun canBeInPrompt(token: String) =
        token.isNotEmpty() && ' ' !in token && token == Names.clean(token, MAX_TOKEN)

    companion object {
        /** Custom Diffusion's keys and values of a Stable Diffusion 1.x are 77 MB in float32. */
        const val MAX_BYTES = 512L * 1024 * 1024
        const val MAX_HEADER_BYTES = 16L * 1024 * 1024
        const val MAX_TOKEN = 64
        private const val RESERVE_BYTES = 16L * 1024 * 1024
    }
}
