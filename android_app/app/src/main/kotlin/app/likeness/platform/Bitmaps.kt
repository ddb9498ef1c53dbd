package app.likeness.platform

import android.graphics.Bitmap
import android.graphics.BitmapFactory
import app.likeness.runtime.Picture
import java.io.File

/** Between the core's pictures and Android's. */
object Bitmaps {
    fun of(picture: Picture): Bitmap {
        val rgb = picture.rgb
        val pixels = IntArray(picture.width * picture.height) { index ->
            val at = 3 * index
            OPAQUE or (byte(rgb[at]) shl 16) or (byte(rgb[at + 1]) shl 8) or byte(rgb[at + 2])
        }
        return Bitmap.createBitmap(pixels, picture.width, picture.height, Bitmap.Config.ARGB_8888)
    }

    /** Transparency is left out. */
    fun picture(bitmap: Bitmap): Picture {
        val pixels = IntArray(bitmap.width * bitmap.height)
        bitmap.getPixels(pixels, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
        val rgb = ByteArray(3 * pixels.size) { (pixels[it / 3] shr (16 - 8 * (it % 3))).toByte() }
        return Picture(bitmap.width, bitmap.height, rgb)
    }

    /** A file's picture, no larger than needed for [side] pixels; null where there is none in it. Blocks. */
    fun read(file: File, side: Int): Bitmap? {
        val bounds = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, bounds)
        val options = BitmapFactory.Options().apply {
            inSampleSize = sampleSize(bounds.outWidth, bounds.outHeight, side)
        }
        return BitmapFactory.decodeFile(file.path, options)
    }

    /** The largest power of two that leaves the shorter side [side] pixels at least. */
    private fun sampleSize(width: Int, height: Int, side: Int): Int =
        generateSequence(1) { 2 * it }.takeWhile { minOf(width, height) / it >= side }.lastOrNull() ?: 1

    private const val OPAQUE = 0xFF shl 24

    private fun byte(value: Byte) = value.toInt() and 0xFF
}
