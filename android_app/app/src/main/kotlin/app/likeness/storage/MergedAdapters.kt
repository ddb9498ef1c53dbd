package app.likeness.storage

import app.likeness.runtime.Adapter
import app.likeness.runtime.Studio
import java.io.File

/**
 * Adapters of several subjects made into one, kept so that the same pair is merged once. The files' names hold the
 * subjects' ids: deleting a subject deletes them too.
 */
class MergedAdapters(private val layout: StorageLayout, private val disk: Disk, private val subjects: SubjectStore) {
    /** One file that knows all of [ids]; of one subject its own. Blocks. Throws what [Studio.mergeAdapters] throws. */
    fun file(studio: Studio, ids: List<String>): File {
        if (ids.size == 1) return subjects.files(ids.single()).adapter
        val file = File(layout.merged, ids.sorted().joinToString("-") + ".safetensors")
        if (!file.isFile) merge(studio, ids.sorted(), file)
        return file
    }

    private fun merge(studio: Studio, ids: List<String>, file: File) {
        disk.makeFolder(layout.merged)
        val opened = mutableListOf<Adapter>()
        try {
            ids.forEach { opened += studio.loadAdapter(subjects.files(it).adapter) }
            studio.mergeAdapters(opened, file)
        } finally {
            opened.forEach(Adapter::close)
        }
    }
}
