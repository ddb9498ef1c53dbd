package app.likeness.storage

import java.io.IOException

/**
 * What this phone showed in earlier runs; what a plan's estimate rests on.
 *
 * @property secondsPerStep of training; null before the first run
 * @property percentPerHour of the battery while training unplugged; null before a run was long enough to tell
 */
data class Measured(val secondsPerStep: Double? = null, val percentPerHour: Double? = null)

/** Keeps [Measured]. Functions block. */
class Measurements(private val layout: StorageLayout, private val disk: Disk) {
    /** A file that cannot be read is as good as none: the next run makes it anew. */
    fun read(): Measured = try {
        val values = PropertiesFile.read(layout.measurements)
        Measured(values["seconds_per_step"]?.toDoubleOrNull(), values["percent_per_hour"]?.toDoubleOrNull())
    } catch (_: IOException) {
        Measured()
    }

    /** Keeps what is given; what is null stays as it was. Throws [IOException]. */
    fun record(secondsPerStep: Double?, percentPerHour: Double?) {
        val old = read()
        val values = mapOf(
            "seconds_per_step" to (secondsPerStep ?: old.secondsPerStep),
            "percent_per_hour" to (percentPerHour ?: old.percentPerHour),
        )
        PropertiesFile.write(disk, layout.measurements, values.filterValues { it != null }.mapValues { "${it.value}" })
    }
}
