package app.likeness.storage

import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import java.io.File
import java.io.IOException

/**
 * The subjects on this phone. Functions block, may be called from any thread but the main one, and throw [IOException]
 * where the storage fails.
 */
class SubjectStore(private val layout: StorageLayout, private val disk: Disk, private val trash: Trash) {
    private val listed = MutableStateFlow<List<Subject>>(emptyList())

    /** Newest first; empty until [load]. */
    val subjects: StateFlow<List<Subject>> = listed.asStateFlow()

    /** Reads the folders and finishes what a kill interrupted: deletions, and files on their way in. */
    @Synchronized
    fun load() {
        try {
            trash.delete(layout.incoming)
        } catch (_: IOException) {
            // What cannot be removed is out of sight, and the next start tries again.
        }
        publish()
    }

    fun find(id: String): Subject? = listed.value.find { it.id == id }

    fun files(id: String): SubjectFiles = layout.subject(id)

    /** Words, in small letters, that a new subject cannot have: two subjects can always be in one prompt. */
    fun takenTokens(): Set<String> = listed.value.flatMap(Subject::tokens).map(String::lowercase).toSet()

    /** Makes [prepared], a folder of this storage with a subject's files, the folder of [subject]: in one step. */
    @Synchronized
    fun adopt(subject: Subject, prepared: File) {
        PropertiesFile.write(disk, SubjectFiles(prepared).properties, subject.toProperties())
        disk.makeFolder(layout.subjects)
        disk.rename(prepared, files(subject.id).folder)
        publish()
    }

    /** Its adapter is whole: the journal, the resume record and photos that are left go. */
    @Synchronized
    fun markReady(id: String) {
        val subject = find(id) ?: throw IOException("This subject was deleted.")
        val files = files(id)
        if (!files.adapter.isFile) throw IOException("The adapter of ${subject.name} is missing.")
        PropertiesFile.write(disk, files.properties, subject.copy(state = SubjectState.READY).toProperties())
        trash.delete(files.journal, files.photos, files.resume)
        publish()
    }

    /** Photos are needed no longer once they are encoded. */
    @Synchronized
    fun deletePhotos(id: String) = trash.delete(files(id).photos)

    /** The journal cannot be used; the photos are there to begin again with. */
    @Synchronized
    fun deleteJournal(id: String) = trash.delete(files(id).journal)

    /** Deletes all traces: photos, journal, adapter, preview, and adapters merged of it and others. */
    @Synchronized
    fun delete(id: String) {
        val merged = layout.merged.listFiles().orEmpty().filter { id in it.name }
        trash.delete(files(id).folder, *merged.toTypedArray())
        publish()
    }

    private fun publish() {
        val ids = layout.subjects.list().orEmpty().filter(::isId)
        listed.value = ids.map(::read).sortedWith(compareByDescending(Subject::createdAt).thenBy(Subject::id))
    }

    private fun read(id: String): Subject = try {
        val subject = Subject.from(id, PropertiesFile.read(files(id).properties))
        val lacksAdapter = subject.state == SubjectState.READY && !files(id).adapter.isFile
        if (lacksAdapter) Subject.damaged(id) else subject
    } catch (_: IOException) {
        Subject.damaged(id)
    }
}
