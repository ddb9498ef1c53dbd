package app.likeness.training

import app.likeness.conditions.Conditions
import app.likeness.conditions.Pace
import app.likeness.conditions.decide
import app.likeness.runtime.Personalization
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.collectLatest
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.distinctUntilChanged
import kotlinx.coroutines.flow.update

/**
 * Durations in milliseconds.
 *
 * @property work how long a slow run works ...
 * @property rest ... before it rests so long
 * @property longestHold a session that waits longer is closed: it takes memory, and a foreground service's hours
 */
data class Pacing(val work: Long = 20_000, val rest: Long = 20_000, val longestHold: Long = 10 * 60_000)

/** The pace of a run, and why it is not full speed. */
internal data class PaceNow(val pace: Pace, val cause: Cause?)

/** Lets a session run, rest in turns, or wait, as the person, painting and the phone's conditions ask for. */
internal class PaceKeeper(conditions: Flow<Conditions>, private val pacing: Pacing) {
    private val held = MutableStateFlow(false)
    private val painting = MutableStateFlow(0)

    private val wanted: Flow<PaceNow> = combine(held, painting, conditions) { held, painting, now ->
        val decision = decide(now)
        when {
            held -> PaceNow(Pace.PAUSE, Cause.PERSON)
            painting > 0 -> PaceNow(Pace.PAUSE, Cause.PAINTING)
            else -> PaceNow(decision.pace, decision.reason?.let(::causeOf))
        }
    }.distinctUntilChanged()

    val isHeld: Boolean get() = held.value

    fun hold(hold: Boolean) {
        held.value = hold
    }

    /** Training waits while [block] paints: both at once would take the memory of both. */
    suspend fun <T> whilePainting(block: suspend () -> T): T {
        painting.update { it + 1 }
        try {
            return block()
        } finally {
            painting.update { it - 1 }
        }
    }

    /** Until cancelled. [onPace] hears of every change, [onLongHold] of a wait that has lasted too long. */
    suspend fun keep(session: Personalization, onPace: (PaceNow) -> Unit, onLongHold: (Cause) -> Unit) =
        wanted.collectLatest { now ->
            onPace(now)
            when (now.pace) {
                Pace.RUN -> session.unpause()

                Pace.SLOW -> takeTurns(session)

                Pace.PAUSE -> {
                    session.pause()
                    delay(pacing.longestHold)
                    onLongHold(now.cause ?: Cause.SYSTEM)
                }
            }
        }

    private suspend fun takeTurns(session: Personalization) {
        while (true) {
            session.unpause()
            delay(pacing.work)
            session.pause()
            delay(pacing.rest)
        }
    }
}
