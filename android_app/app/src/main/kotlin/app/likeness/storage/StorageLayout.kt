package app.likeness.storage

import java.io.File
import java.security.SecureRandom

/**
 * Where everything lies in the app's private folder. Nothing is written anywhere else.
 *
 *     bundle/                          the model, copied from the app once
 *     draft/                           photos and names of a subject that is not taught yet
 *     subjects/<id>/subject.properties name, class, words, state
 *     subjects/<id>/photos/            until they are encoded; deleted then
 *     subjects/<id>/journal/           the core's, while it learns
 *     subjects/<id>/resume.properties  whether it goes on by itself, while it learns
 *     subjects/<id>/adapter.safetensors, preview.png
 *     merged/<id>-<id>.safetensors     two subjects' adapters in one
 *     pictures/<id>.png, <id>.properties
 *     incoming/                        files on their way in, unchecked
 *     trash/                           what is being deleted
 */
class StorageLayout(val root: File) {
    val bundle = File(root, "bundle")
    val draft = File(root, "draft")
    val subjects = File(root, "subjects")
    val merged = File(root, "merged")
    val pictures = File(root, "pictures")
    val incoming = File(root, "incoming")
    val trash = File(root, "trash")
    val measurements = File(root, "measurements.properties")

    fun subject(id: String) = SubjectFiles(File(subjects, checkedId(id)))

    fun picture(id: String) = File(pictures, checkedId(id) + ".png")

    fun pictureNote(id: String) = File(pictures, checkedId(id) + ".properties")
}

/** A subject's files; [folder] is its own. */
class SubjectFiles(val folder: File) {
    val properties = File(folder, "subject.properties")
    val photos = File(folder, "photos")
    val journal = File(folder, "journal")
    val resume = File(folder, "resume.properties")
    val adapter = File(folder, "adapter.safetensors")
    val preview = File(folder, "preview.png")
}

private val ID = Regex("[0-9a-f]{16}")
private val random = SecureRandom()

/** Names files; no text that a person or a file gives ever does. */
fun newId(): String = "%016x".format(random.nextLong())

fun isId(text: String): Boolean = ID.matches(text)

private fun checkedId(id: String): String {
    require(isId(id)) { "not an id of this app" }
    return id
}
