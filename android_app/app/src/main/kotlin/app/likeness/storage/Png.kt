package app.likeness.storage

import app.likeness.runtime.Picture
import java.io.ByteArrayOutputStream
import java.io.DataOutputStream
import java.util.zip.CRC32
import java.util.zip.DeflaterOutputStream

/**
 * Writes PNG files: RGB, eight bits, nothing else in them. A shared picture tells neither its prompt nor who made it.
 */
object Png {
    private val SIGNATURE =
        byteArrayOf(0x89.toByte(), 'P'.code.toByte(), 'N'.code.toByte(), 'G'.code.toByte(), 13, 10, 26, 10)
    private const val DEPTH = 8
    private const val RGB = 2
    private const val FILTER_SUB = 1

    fun encode(picture: Picture): ByteArray {
        val bytes = ByteArrayOutputStream()
        val out = DataOutputStream(bytes)
        out.write(SIGNATURE)
        chunk(out, "IHDR", header(picture))
        chunk(out, "IDAT", deflated(picture))
        chunk(out, "IEND", ByteArray(0))
        return bytes.toByteArray()
    }

    private fun header(picture: Picture): ByteArray {
        val bytes = ByteArrayOutputStream()
        DataOutputStream(bytes).run {
            writeInt(picture.width)
            writeInt(picture.height)
            write(byteArrayOf(DEPTH.toByte(), RGB.toByte(), 0, 0, 0))
        }
        return bytes.toByteArray()
    }

    /** Each byte as its difference from the same colour one pixel to the left, which packs smaller. */
    private fun deflated(picture: Picture): ByteArray {
        val bytes = ByteArrayOutputStream()
        val row = ByteArray(1 + 3 * picture.width)
        row[0] = FILTER_SUB.toByte()
        DeflaterOutputStream(bytes).use { deflater ->
            for (y in 0 until picture.height) {
                val start = 3 * picture.width * y
                for (x in 0 until 3 * picture.width) {
                    val left = if (x < 3) 0 else picture.rgb[start + x - 3]
                    row[1 + x] = (picture.rgb[start + x] - left).toByte()
                }
                deflater.write(row)
            }
        }
        return bytes.toByteArray()
    }

    private fun chunk(out: DataOutputStream, type: String, content: ByteArray) {
        val name = type.toByteArray()
        val check = CRC32().apply {
            update(name)
            update(content)
        }
        out.writeInt(content.size)
        out.write(name)
        out.write(content)
        out.writeInt(check.value.toInt())
    }
}
