package app.likeness.fakes

import app.likeness.storage.Document
import app.likeness.storage.Documents
import java.io.File
import java.io.IOException

/** Documents in memory, by reference. */
class FakeDocuments : Documents {
    class Content(val name: String, val bytes: ByteArray)

    val documents = mutableMapOf<String, Content>()
    val gallery = mutableMapOf<String, ByteArray>()

    /** Thrown by the next write. */
    var failure: IOException? = null

    override fun open(reference: String): Document {
        val content = documents[reference] ?: throw IOException("There is no such document.")
        return Document(content.name, content.bytes.inputStream())
    }

    override fun write(reference: String, file: File) {
        fail()
        documents[reference] = Content(reference, file.readBytes())
    }

    override fun addToGallery(file: File, name: String) {
        fail()
        gallery[name] = file.readBytes()
    }

    private fun fail() = failure?.let {
        failure = null
        throw it
    }
}
