package app.likeness.fakes

import app.likeness.runtime.AdapterInfo
import app.likeness.runtime.Picture
import java.io.File

/** The journal of a fake session: a file of three lines. */
internal class FakeJournal(private val folder: File) {
    data class Stored(val className: String, val token: String, val step: Long)

    private val file = File(folder, "state")

    fun exists() = file.isFile

    fun read(): Stored? = if (exists()) file.readLines().let { Stored(it[0], it[1], it[2].toLong()) } else null

    fun write(stored: Stored) {
        folder.mkdirs()
        file.writeText("${stored.className}\n${stored.token}\n${stored.step}\n")
    }
}

/** Adapter files of the fake studio look like safetensors from outside. */
object FakeAdapterFile {
    fun bytes(tokens: List<String>, className: String): ByteArray {
        val header = "{${tokens.joinToString("|")};$className}".toByteArray()
        return byteArrayOf(header.size.toByte(), 0, 0, 0, 0, 0, 0, 0) + header
    }

    internal fun write(file: File, tokens: List<String>, className: String) = file.writeBytes(bytes(tokens, className))

    internal fun read(file: File): AdapterInfo? {
        val header = file.readBytes().drop(8).toByteArray().decodeToString()
        if (!header.startsWith("{") || ';' !in header) return null
        val (tokens, className) = header.trim('{', '}').split(";")
        return AdapterInfo("full", tokens.split("|"), className, "{}")
    }
}

/** A picture of one colour, which depends on [seed]. */
fun plainPicture(seed: Long, side: Int = FakeStudio.IMAGE_SIZE): Picture {
    val colour = byteArrayOf(seed.toByte(), (seed * 7).toByte(), (seed * 31).toByte())
    return Picture(side, side, ByteArray(3 * side * side) { colour[it % 3] })
}
