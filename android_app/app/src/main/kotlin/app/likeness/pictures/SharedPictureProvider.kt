package app.likeness.pictures

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import app.likeness.storage.StorageLayout
import java.io.File
import java.io.FileNotFoundException

/**
 * Lends a kept picture to the app that a person shares it with: that one file, to read, for as long as Android grants
 * it. It is not exported, so nobody else can ask.
 */
class SharedPictureProvider : ContentProvider() {
    override fun onCreate() = true

    override fun getType(uri: Uri) = "image/png"

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("A shared picture can only be read.")
        return ParcelFileDescriptor.open(fileOf(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(
        uri: Uri,
        projection: Array<String>?,
        selection: String?,
        arguments: Array<String>?,
        order: String?,
    ): Cursor {
        val file = fileOf(uri)
        val known = mapOf<String, Any>(
            OpenableColumns.DISPLAY_NAME to "likeness.png",
            OpenableColumns.SIZE to file.length(),
        )
        val columns = (projection ?: known.keys.toTypedArray()).filter { it in known }
        return MatrixCursor(columns.toTypedArray()).apply { addRow(columns.map(known::get)) }
    }

    override fun insert(uri: Uri, values: ContentValues?): Uri? = throw refused()

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<String>?) = throw refused()

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?) = throw refused()

    private fun fileOf(uri: Uri): File {
        val id = sharedPictureId(uri.pathSegments) ?: throw FileNotFoundException("There is no such picture.")
        return StorageLayout(requireNotNull(context).filesDir).picture(id)
    }

    private fun refused() = UnsupportedOperationException("Shared pictures cannot be changed.")

    companion object {
        private const val AUTHORITY = "app.likeness.pictures"

        fun uriOf(id: String): Uri = Uri.parse("content://$AUTHORITY/$id.png")
    }
}
