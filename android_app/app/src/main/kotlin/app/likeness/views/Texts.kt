package app.likeness.views

import android.content.Context
import android.text.format.Formatter
import app.likeness.R
import app.likeness.problem.Problem
import app.likeness.problem.ProblemKind
import app.likeness.training.Cause
import kotlin.math.roundToInt

/** [problem] in the person's language: what to do; then the core's own words, which are English. */
fun Context.text(problem: Problem): String {
    val advice = getString(adviceOf(problem.kind))
    return if (problem.detail.isEmpty()) advice else getString(R.string.problem_with_detail, advice, problem.detail)
}

fun Context.text(cause: Cause): String = getString(
    when (cause) {
        Cause.PERSON -> R.string.cause_person
        Cause.PAINTING -> R.string.cause_painting
        Cause.HOT -> R.string.cause_hot
        Cause.BATTERY_SAVER -> R.string.cause_battery_saver
        Cause.BATTERY_LOW -> R.string.cause_battery_low
        Cause.MEMORY_LOW -> R.string.cause_memory_low
        Cause.TIME_LIMIT -> R.string.cause_time_limit
        Cause.SYSTEM -> R.string.cause_system
    },
)

/** Rounded as one would say it: seconds, minutes or hours. */
fun Context.duration(seconds: Double): String = when {
    seconds < 90 -> count(R.plurals.seconds, seconds)
    seconds < 90 * 60 -> count(R.plurals.minutes, seconds / 60)
    else -> count(R.plurals.hours, seconds / 3600)
}

fun Context.bytes(bytes: Long): String = Formatter.formatShortFileSize(this, bytes)

private fun Context.count(plurals: Int, value: Double): String {
    val rounded = value.roundToInt().coerceAtLeast(1)
    return resources.getQuantityString(plurals, rounded, rounded)
}

private fun adviceOf(kind: ProblemKind): Int = when (kind) {
    ProblemKind.STORAGE_FULL -> R.string.problem_storage_full
    ProblemKind.STORAGE_FAILED -> R.string.problem_storage_failed
    ProblemKind.OUT_OF_MEMORY -> R.string.problem_out_of_memory
    ProblemKind.BAD_PHOTO -> R.string.problem_bad_photo
    ProblemKind.DAMAGED_FILE -> R.string.problem_damaged_file
    ProblemKind.OTHER_VERSION -> R.string.problem_other_version
    ProblemKind.OTHER_MODEL -> R.string.problem_other_model
    ProblemKind.NOT_AN_ADAPTER -> R.string.problem_not_an_adapter
    ProblemKind.WORDS_TAKEN -> R.string.problem_words_taken
    ProblemKind.BUSY -> R.string.problem_busy
    ProblemKind.DIVERGED -> R.string.problem_diverged
    ProblemKind.REFUSED -> R.string.problem_refused
    ProblemKind.INTERNAL -> R.string.problem_internal
}
