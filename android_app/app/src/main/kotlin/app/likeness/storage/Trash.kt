package app.likeness.storage

import java.io.File
import java.io.IOException

/**
 * Deletes folders so that a kill on the way leaves nothing that looks whole: first out of sight in one step, then for
 * good. What a kill left in the trash goes at the next [empty].
 */
class Trash(private val layout: StorageLayout, private val disk: Disk) {
    /** Deletes files and folders with everything in them. Those that are missing are deleted already. */
    @Synchronized
    fun delete(vararg paths: File) {
        paths.filter(File::exists).forEach(::putOutOfSight)
        empty()
    }

    /** Throws [IOException] where something cannot be deleted. The folder stays: a full disk may not give it back. */
    @Synchronized
    fun empty() {
        val left = layout.trash.listFiles().orEmpty().filterNot(File::deleteRecursively)
        if (left.isNotEmpty()) {
            throw IOException("Some deleted files could not be removed; they are removed when the app starts again.")
        }
    }

    /** Where the storage has no room even for that, it is deleted where it lies. */
    private fun putOutOfSight(path: File) {
        try {
            disk.makeFolder(layout.trash)
            disk.rename(path, File(layout.trash, newId()))
        } catch (error: IOException) {
            if (!path.deleteRecursively()) throw error
        }
    }
}
