package app.likeness.storage

import java.io.File
import java.io.InputStream

/** A file of another app, under the name that it shows there. */
class Document(val name: String, val stream: InputStream) : AutoCloseable {
    override fun close() = stream.close()
}

/**
 * Files outside this app, which a person chose; references are content URIs. Functions block and throw IOException.
 */
interface Documents {
    fun open(reference: String): Document

    /** Writes [file] to the document that a person made for it. */
    fun write(reference: String, file: File)

    /** Adds the picture in [file] to the phone's own gallery, as [name]. */
    fun addToGallery(file: File, name: String)
}
