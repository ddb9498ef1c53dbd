package app.likeness.storage

import java.io.InputStream
import java.io.OutputStream

private const val PIECE_BYTES = 64 * 1024

/** Calls [use] with a buffer and how many of its bytes are the stream's next ones, until it ends. Blocks. */
internal inline fun InputStream.forEachPiece(pieceBytes: Int, use: (buffer: ByteArray, count: Int) -> Unit) {
    val buffer = ByteArray(pieceBytes)
    while (true) {
        val count = read(buffer)
        if (count < 0) return
        use(buffer, count)
    }
}

/**
 * Copies a stream that may be anyone's: not a byte is written beyond [limit], where [tooLarge] is thrown.
 *
 * @param beforeEach called before each piece is written, and may throw
 */
internal fun InputStream.copyAtMost(
    limit: Long,
    to: OutputStream,
    beforeEach: () -> Unit = {},
    tooLarge: () -> Exception,
) {
    var total = 0L
    forEachPiece(PIECE_BYTES) { buffer, count ->
        total += count
        if (total > limit) throw tooLarge()
        beforeEach()
        to.write(buffer, 0, count)
    }
}
