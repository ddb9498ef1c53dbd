package app.likeness.storage

import app.likeness.runtime.Picture
import java.io.DataInputStream
import java.io.File
import java.io.IOException

/** Photos wait for training as plain RGB (netpbm's P6): nothing to decode, and the same bytes after a kill. */
object PhotoFile {
    private const val MAX_SIDE = 8192

    fun write(disk: Disk, file: File, photo: Picture) = disk.write(file) { stream ->
        stream.write("P6\n${photo.width} ${photo.height}\n255\n".toByteArray())
        stream.write(photo.rgb)
    }

    /** Throws [IOException] where the file is missing or damaged. */
    fun read(file: File): Picture = DataInputStream(file.inputStream().buffered()).use { stream ->
        if (word(stream) != "P6") throw damaged(file)
        val width = side(word(stream), file)
        val height = side(word(stream), file)
        if (word(stream) != "255" || file.length() < 3L * width * height) throw damaged(file)
        Picture(width, height, ByteArray(3 * width * height).also(stream::readFully))
    }

    private fun side(word: String, file: File): Int =
        word.toIntOrNull()?.takeIf { it in 1..MAX_SIDE } ?: throw damaged(file)

    /** The bytes up to the next white space, at most ten. */
    private fun word(stream: DataInputStream): String {
        val word = StringBuilder()
        while (word.length <= 10) {
            val letter = stream.readByte().toInt().toChar()
            if (letter == ' ' || letter == '\n') break
            word.append(letter)
        }
        return word.toString()
    }

    private fun damaged(file: File) = IOException("The stored photo ${file.name} is damaged; choose it again.")
}
