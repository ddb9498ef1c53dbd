package app.likeness.conditions

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.asStateFlow
import kotlinx.coroutines.launch

/** Reads the phone's state, cheaply, on any thread. */
fun interface ConditionsSource {
    fun read(): Conditions
}

/**
 * Keeps [conditions] current while [watch]ed, by asking every [everyMillis]: heat and batteries change slowly.
 *
 * Warnings that memory is short come in between and count for [warningMillis].
 */
class ConditionsMonitor(
    private val source: ConditionsSource,
    private val nowMillis: () -> Long,
    private val everyMillis: Long = 5_000,
    private val warningMillis: Long = 60_000,
) {
    private class Warning(val pressure: MemoryPressure, val until: Long)

    private val current = MutableStateFlow(Conditions())

    @Volatile
    private var warning = Warning(MemoryPressure.NONE, 0)

    val conditions: StateFlow<Conditions> = current.asStateFlow()

    /** Asks until [scope] ends. */
    fun watch(scope: CoroutineScope) = scope.launch {
        while (true) {
            refresh()
            delay(everyMillis)
        }
    }

    fun refresh() {
        val read = source.read()
        current.value = read.copy(memory = maxOf(read.memory, warned()))
    }

    /** `onTrimMemory` was called with [level]. Returns whether memory is short. */
    fun onTrimMemory(level: Int): Boolean {
        val pressure = memoryPressureOf(level) ?: return false
        warning = Warning(maxOf(pressure, warned()), nowMillis() + warningMillis)
        refresh()
        return true
    }

    private fun warned() = if (nowMillis() < warning.until) warning.pressure else MemoryPressure.NONE
}
