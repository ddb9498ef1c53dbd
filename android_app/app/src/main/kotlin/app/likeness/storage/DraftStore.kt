package app.likeness.storage

import app.likeness.runtime.Picture
import java.io.File
import java.io.IOException

/** A subject's name, what it is, and the numbers of its photos, oldest first. */
data class Draft(val name: String = "", val className: String = "", val photos: List<Int> = emptyList())

/**
 * The one subject that is being put together. It lies on the disk, so it survives the process; teaching it moves its
 * folder among the subjects' in one step. Functions block and throw [IOException].
 */
class DraftStore(private val layout: StorageLayout, private val disk: Disk, private val trash: Trash) {
    private val names = File(layout.draft, "draft.properties")

    @Synchronized
    fun read(): Draft {
        val values = if (names.isFile) PropertiesFile.read(names) else emptyMap()
        return Draft(values["name"].orEmpty(), values["class"].orEmpty(), photoNumbers())
    }

    @Synchronized
    fun setNames(name: String, className: String) =
        PropertiesFile.write(disk, names, mapOf("name" to name, "class" to className))

    @Synchronized
    fun addPhoto(photo: Picture) {
        disk.needRoom(layout.root, photo.rgb.size.toLong())
        PhotoFile.write(disk, photoFile((photoNumbers().maxOrNull() ?: -1) + 1), photo)
    }

    fun readPhoto(number: Int): Picture = PhotoFile.read(photoFile(number))

    @Synchronized
    fun removePhoto(number: Int) = trash.delete(photoFile(number))

    /** Deletes names and photos. */
    @Synchronized
    fun clear() = trash.delete(layout.draft)

    /** Makes a subject of the draft, among [subjects]; the draft is empty then. */
    @Synchronized
    fun promote(subjects: SubjectStore, subject: Subject) {
        if (photoNumbers().isEmpty()) throw IOException("There is no photo to learn from; choose some.")
        trash.delete(names)
        subjects.adopt(subject, layout.draft)
    }

    /** Not by format(): that writes digits of the phone's language. */
    private fun photoFile(number: Int) =
        File(SubjectFiles(layout.draft).photos, number.toString().padStart(4, '0') + ".ppm")

    private fun photoNumbers(): List<Int> = photoFiles(SubjectFiles(layout.draft)).map { it.name.take(4).toInt() }
}

private val PHOTO_NAME = Regex("[0-9]{4}\\.ppm")

/** A subject's stored photos, in the order in which they were added. */
fun photoFiles(files: SubjectFiles): List<File> =
    files.photos.listFiles().orEmpty().filter { PHOTO_NAME.matches(it.name) }.sortedBy(File::getName)
