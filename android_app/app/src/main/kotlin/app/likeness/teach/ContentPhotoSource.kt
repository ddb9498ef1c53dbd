package app.likeness.teach

import android.graphics.Bitmap
import android.graphics.Matrix
import android.media.ExifInterface
import app.likeness.platform.Bitmaps
import app.likeness.runtime.BadPhotoException
import app.likeness.runtime.Picture
import app.likeness.storage.Disk
import app.likeness.storage.Documents
import app.likeness.storage.copyAtMost
import java.io.File
import java.io.InputStream

/**
 * Photos as the picker gives them: any format that Android reads, turned as they were taken, their centre square (the
 * core uses no more) at up to [MOST_SIDE] pixels. The copy in [folder] that this takes is deleted at once.
 */
class ContentPhotoSource(private val documents: Documents, private val disk: Disk, private val folder: File) :
    PhotoSource {
    override fun read(reference: String): Picture {
        val copy = File(folder, "photo")
        try {
            documents.open(reference).use { document -> copy(document.stream, copy) }
            return Bitmaps.picture(upright(decoded(copy), ExifInterface(copy.path)))
        } catch (_: OutOfMemoryError) {
            throw BadPhotoException("The photo is too large for this phone's memory.")
        } finally {
            copy.delete()
        }
    }

    private fun copy(from: InputStream, to: File) = disk.write(to) { out ->
        from.copyAtMost(MOST_BYTES, out) { BadPhotoException("The photo's file is larger than a photo can be.") }
    }

    private fun decoded(file: File): Bitmap = Bitmaps.read(file, MOST_SIDE)
        ?: throw BadPhotoException("This is no photo, or one of a format that this phone cannot read.")

    /** The centre square, scaled and turned in one go. */
    private fun upright(bitmap: Bitmap, exif: ExifInterface): Bitmap {
        val side = minOf(bitmap.width, bitmap.height)
        val matrix = turn(exif.getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL))
        if (side > MOST_SIDE) (MOST_SIDE.toFloat() / side).let { matrix.postScale(it, it) }
        val left = (bitmap.width - side) / 2
        val top = (bitmap.height - side) / 2
        return Bitmap.createBitmap(bitmap, left, top, side, side, matrix, true)
    }

    private fun turn(orientation: Int) = Matrix().apply {
        when (orientation) {
            ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> setScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_180 -> setRotate(180f)
            ExifInterface.ORIENTATION_FLIP_VERTICAL -> setScale(1f, -1f)
            ExifInterface.ORIENTATION_TRANSPOSE -> mirroredThenTurned(270f)
            ExifInterface.ORIENTATION_ROTATE_90 -> setRotate(90f)
            ExifInterface.ORIENTATION_TRANSVERSE -> mirroredThenTurned(90f)
            ExifInterface.ORIENTATION_ROTATE_270 -> setRotate(270f)
        }
    }

    private fun Matrix.mirroredThenTurned(degrees: Float) {
        setScale(-1f, 1f)
        postRotate(degrees)
    }

    private companion object {
        /** Twice what the largest common model paints. */
        const val MOST_SIDE = 1024
        const val MOST_BYTES = 100L * 1024 * 1024
    }
}
