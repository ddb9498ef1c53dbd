package app.likeness.storage

import java.io.File
import java.io.IOException

/**
 * Deletes folders so that a kill on the way leaves nothing that looks whole: first out of sight in one step, then for
 * good. What a kill left in the trash goes at the next [empty].
 */
class Trash(private val layout: StorageLayout, private val disk: Disk) {
    /** Deletes files and folders with everything in them. Those that are missing are deleted already. */
    fun delete(vararg paths: File) {
        paths.filter(File::exists).forEach { path ->
            disk.makeFolder(layout.trash)
            disk.rename(path, File(layout.trash, newId()))
        }
        empty()
    }

    /** Throws [IOException] where something cannot be deleted. */
    fun empty() {
        if (layout.trash.exists() && !layout.trash.deleteRecursively()) {
            throw IOException("Some deleted files could not be removed; they are removed when the app starts again.")
        }
    }
}
