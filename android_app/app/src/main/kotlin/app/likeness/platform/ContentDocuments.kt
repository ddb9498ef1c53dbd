package app.likeness.platform

import android.content.ContentResolver
import android.content.ContentValues
import android.net.Uri
import android.os.Build
import android.provider.MediaStore
import android.provider.OpenableColumns
import app.likeness.storage.Document
import app.likeness.storage.Documents
import java.io.File
import java.io.IOException
import java.io.OutputStream

/** Documents behind content URIs, and the phone's own gallery. */
class ContentDocuments(private val resolver: ContentResolver) : Documents {
    override fun open(reference: String): Document {
        val uri = Uri.parse(reference)
        val stream = guarded { resolver.openInputStream(uri) }
        return Document(name(uri), stream ?: throw IOException("The file cannot be opened; choose it again."))
    }

    override fun write(reference: String, file: File) = write(Uri.parse(reference), file, "wt")

    override fun addToGallery(file: File, name: String) {
        check(canAddToGallery) { "before Android 10 this takes a permission; write to a document instead" }
        val pending = ContentValues().apply {
            put(MediaStore.MediaColumns.DISPLAY_NAME, name)
            put(MediaStore.MediaColumns.MIME_TYPE, "image/png")
            put(RELATIVE_PATH, "Pictures/Likeness")
            put(IS_PENDING, 1)
        }
        val uri = guarded { resolver.insert(MediaStore.Images.Media.EXTERNAL_CONTENT_URI, pending) }
            ?: throw IOException("The phone's gallery takes no picture.")
        try {
            write(uri, file, "w")
            resolver.update(uri, ContentValues().apply { put(IS_PENDING, 0) }, null, null)
        } catch (error: IOException) {
            resolver.delete(uri, null, null)
            throw error
        }
    }

    private fun write(uri: Uri, file: File, mode: String) {
        val stream: OutputStream = guarded { resolver.openOutputStream(uri, mode) }
            ?: throw IOException("The file cannot be written; choose another place.")
        stream.use { out -> file.inputStream().use { it.copyTo(out) } }
    }

    private fun name(uri: Uri): String {
        val columns = arrayOf(OpenableColumns.DISPLAY_NAME)
        val cursor = guarded { resolver.query(uri, columns, null, null, null) }
        return cursor?.use { if (it.moveToFirst()) it.getString(0) else null }.orEmpty()
    }

    /** Another app's provider may throw anything, and permission may have ended. */
    private fun <T> guarded(call: () -> T): T = try {
        call()
    } catch (error: RuntimeException) {
        throw IOException("The other app does not give the file; choose it again.", error)
    }

    companion object {
        /** `MediaStore.MediaColumns.RELATIVE_PATH` and `IS_PENDING`, level 29. */
        private const val RELATIVE_PATH = "relative_path"
        private const val IS_PENDING = "is_pending"

        /** Whether an app may add pictures without a permission. */
        val canAddToGallery: Boolean get() = Build.VERSION.SDK_INT >= NewerApis.Q
    }
}
