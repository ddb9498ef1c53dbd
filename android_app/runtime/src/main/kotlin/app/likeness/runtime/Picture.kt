package app.likeness.runtime

/** A picture in memory. [rgb] has three bytes a pixel, row after row without padding: width × height × 3 of them. */
class Picture(val width: Int, val height: Int, val rgb: ByteArray) {
    init {
        require(width > 0 && height > 0) { "a picture of $width x $height pixels is empty" }
        val bytes = BYTES_PER_PIXEL * width.toLong() * height
        require(rgb.size.toLong() == bytes) { "a picture of $width x $height pixels has $bytes bytes, not ${rgb.size}" }
    }

    private companion object {
        const val BYTES_PER_PIXEL = 3
    }
}
