package app.likeness.storage

import app.likeness.runtime.Picture
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import java.io.File
import java.io.IOException

/**
 * How a kept picture was painted: enough to paint it again.
 *
 * @property index its place among the pictures of one seed, from 0
 * @property subjects names of the subjects in it, as they were then
 * @property createdAt milliseconds since 1970
 */
data class KeptPicture(
    val id: String,
    val prompt: String,
    val negativePrompt: String,
    val seed: Long,
    val index: Int,
    val steps: Long,
    val guidance: Double,
    val subjects: List<String>,
    val createdAt: Long,
)

/** Painted pictures. Functions block, may be called from any thread but the main one, and throw [IOException]. */
class PictureStore(private val layout: StorageLayout, private val disk: Disk, private val trash: Trash) {
    private val listed = MutableStateFlow<List<KeptPicture>>(emptyList())

    /** Newest first; empty until [load]. */
    val pictures: StateFlow<List<KeptPicture>> = listed.asStateFlow()

    /** Reads the folder. A picture without its note, or a note without its picture, was never whole: it goes. */
    @Synchronized
    fun load() {
        val files = layout.pictures.listFiles().orEmpty().groupBy { it.name.substringBefore('.') }
        val (whole, partial) = files.entries.partition { (id, _) -> isWhole(id) }
        try {
            trash.delete(*partial.flatMap { it.value }.toTypedArray())
        } catch (_: IOException) {
            // They are not shown, and the next start tries again.
        }
        publish(whole.map { note(it.key) })
    }

    fun file(id: String): File = layout.picture(id)

    fun find(id: String): KeptPicture? = listed.value.find { it.id == id }

    /** Keeps [picture]; the note comes last and makes it count. */
    @Synchronized
    fun keep(picture: Picture, note: KeptPicture) {
        disk.write(layout.picture(note.id), Png.encode(picture))
        PropertiesFile.write(disk, layout.pictureNote(note.id), note.toProperties())
        publish(listed.value + note)
    }

    @Synchronized
    fun delete(id: String) {
        trash.delete(layout.pictureNote(id), layout.picture(id))
        publish(listed.value.filter { it.id != id })
    }

    private fun publish(pictures: List<KeptPicture>) {
        listed.value = pictures.sortedWith(
            compareByDescending(KeptPicture::createdAt).thenBy(KeptPicture::index).thenBy(KeptPicture::id),
        )
    }

    private fun isWhole(id: String) = isId(id) && layout.picture(id).isFile && layout.pictureNote(id).isFile

    /** A picture whose note is damaged is kept all the same. */
    private fun note(id: String): KeptPicture = try {
        from(id, PropertiesFile.read(layout.pictureNote(id)))
    } catch (_: IOException) {
        KeptPicture(id, "", "", 0, 0, 0, 0.0, emptyList(), layout.picture(id).lastModified())
    }
}

private fun KeptPicture.toProperties() = mapOf(
    "prompt" to prompt,
    "negative" to negativePrompt,
    "seed" to seed.toString(),
    "index" to index.toString(),
    "steps" to steps.toString(),
    "guidance" to guidance.toString(),
    "subjects" to subjects.joinToString("\n"),
    "created" to createdAt.toString(),
)

private fun from(id: String, values: Map<String, String>) = KeptPicture(
    id = id,
    prompt = values.text("prompt"),
    negativePrompt = values.text("negative"),
    seed = values.long("seed"),
    index = values.long("index").toInt(),
    steps = values.long("steps"),
    guidance =
    values.text("guidance").toDoubleOrNull() ?: throw IOException("A file is damaged: guidance is no number."),
    subjects = values.text("subjects").split("\n").filter(String::isNotEmpty),
    createdAt = values.long("created"),
)
