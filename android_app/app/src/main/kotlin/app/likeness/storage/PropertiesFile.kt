package app.likeness.storage

import java.io.File
import java.io.IOException
import java.util.Properties

/** A small file of names and texts, UTF-8. Java's format: it needs no parser of our own, here or on the desktop. */
object PropertiesFile {
    private const val MAX_BYTES = 256 * 1024L

    /** Throws [IOException] where the file is missing, too large to be one of ours, or damaged. */
    fun read(file: File): Map<String, String> {
        if (file.length() > MAX_BYTES) throw IOException("${file.name} is damaged: it is far too large.")
        val properties = Properties()
        try {
            file.bufferedReader().use(properties::load)
        } catch (error: IllegalArgumentException) {
            throw IOException("${file.name} is damaged.", error)
        }
        return properties.stringPropertyNames().associateWith(properties::getProperty)
    }

    fun write(disk: Disk, file: File, values: Map<String, String>) {
        val properties = Properties().apply { putAll(values) }
        disk.write(file) { stream -> properties.store(stream.writer(), null) }
    }
}

/** The value of [key]; an [IOException] that names it where it is missing. */
internal fun Map<String, String>.text(key: String): String =
    get(key) ?: throw IOException("A file is damaged: it lacks $key.")

internal fun Map<String, String>.long(key: String): Long =
    text(key).toLongOrNull() ?: throw IOException("A file is damaged: $key is no number.")
